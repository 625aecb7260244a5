#!/bin/sh
# PID 1 of a lab host. Runs inside fresh mount, pid, net, uts and ipc namespaces; what it mounts dies with it.
# Speaks on stdout: "pid N" (its pid as the machine sees it), later "ready". Waits on stdin for "go": by then
# eth0 is in this network namespace.
set -eu
umask 022

read -r outer rest </proc/self/stat # still the machine's /proc: the machine's view of our pid
echo "pid $outer"
read -r word || exit 1
[ "$word" = go ] || exit 1

hostname "$LAB_NAME"
ip -batch - <<BATCH
link set lo up
addr add $LAB_ADDRESS/$LAB_PREFIX dev eth0
link set eth0 up
route add default via $LAB_GATEWAY
BATCH

# One tmpfs is the host's whole disk: it works where / is itself an overlay, and its size is the disk's size.
mount -t tmpfs -o "size=$LAB_SIZE,mode=755" lab "$LAB_DISK"
cd "$LAB_DISK"
mkdir upper work root
cp -a "$LAB_HIDE/." upper/
mount -t overlay -o "lowerdir=$LAB_LOWER,upperdir=$LAB_DISK/upper,workdir=$LAB_DISK/work" lab root
for part in $LAB_PARTS; do # parts of the lower root that are file systems of their own
    mkdir -p "parts$part/upper" "parts$part/work"
    [ ! -d "$LAB_HIDE$part" ] || cp -a "$LAB_HIDE$part/." "parts$part/upper/"
    mount -t overlay -o "lowerdir=$part,upperdir=$LAB_DISK/parts$part/upper,workdir=$LAB_DISK/parts$part/work" lab "root$part"
done
cp -a "$LAB_FILL/." root/
cp -a "$LAB_OWN/." root/
cd root

if [ -n "$LAB_SYSTEMD" ]; then
    # systemd-nspawn makes its own /proc, /dev and pid namespace; the network is the one that we stand in.
    # It looks its children up in /proc by the pids of this namespace: in the machine's own /proc they are others, or nobody.
    mount -t proc proc /proc
    echo ready
    exec systemd-nspawn --quiet --boot --register=no --keep-unit --machine="$LAB_NAME" --resolv-conf=off \
        --timezone=off --link-journal=no --console=pipe --directory="$LAB_DISK/root" </dev/null 1>&2
fi

mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t tmpfs -o size=1m,mode=755 dev dev
cp -a "$LAB_DEV/." dev/
mount -t devpts -o newinstance,ptmxmode=666,mode=620,gid=5 devpts dev/pts
mount -t tmpfs -o mode=1777 shm dev/shm
mount -t tmpfs -o mode=755 run run
mkdir -p run/sshd run/lock .machine
pivot_root . .machine
umount -l /.machine
rmdir /.machine
cd /

for line in $LAB_PASSWORDS; do # user:password, no white space in either
    echo "$line" | chpasswd
done
unset LAB_PASSWORDS
cron
/usr/sbin/sshd
echo ready

# Orphans of the host end up here: waiting reaps them. A sleep that somebody kills is replaced.
exec </dev/null >/dev/null 2>&1
while :; do
    sleep infinity &
    wait
done
