// The page is whole without this file. With it, numbers and rows follow the fleet while the tab is visible.
"use strict";
(() => {
  const $ = (pick, from = document) => from.querySelector(pick);
  const all = (pick) => [...document.querySelectorAll(pick)];
  const clock = () => new Date().toISOString().slice(11, 19) + " UTC";
  const line = $("#live"), pause = $("#pause"), say = $("#say"), news = $("#news");
  const order = JSON.parse($("#words").content.textContent);   // [[word, sign], …], worst first
  const sign = Object.fromEntries(order);
  let stream = null, leave = null, opening = false, last = "", paused = false, state = "", spoken = 0, stale = new Set(), retry = 0;

  function tell(next, text) {                                    // only when the connection changes its state
    if (!line || next === state) return;
    state = next;
    $(".what", line).textContent = text;
    line.classList.toggle("lost", next === "lost");
    $(".dot", line).textContent = next === "live" ? "●" : "○";
    $(".dot", line).classList.toggle("on", next === "live");
  }

  function counts(now) {
    if (!now.counts) return;
    let worst = null;
    for (const [word] of order) {
      const n = now.counts[word] || 0;
      if (n && !worst) worst = word;
      for (const box of all(`[data-count="${word}"]`)) {
        $("b", box).textContent = n.toLocaleString("en");
        box.classList.toggle("none", n === 0);
      }
    }
    let x = 0;
    for (const [word] of order) {
      const bar = $(`#spread .${word}`), share = now.total ? 1000 * (now.counts[word] || 0) / now.total : 0;
      if (bar) { bar.setAttribute("x", x); bar.setAttribute("width", share); }
      x += share;
    }
    for (const box of all("[data-total]")) box.textContent = now.total.toLocaleString("en");
    const text = order.map(([word]) => `${now.counts[word] || 0} ${word}`).join(", ");
    for (const box of all("[data-counts-text]")) box.textContent = `${text} of ${now.total}`;
    document.title = `${worst ? sign[worst] : "·"} ${worst ? now.counts[worst] : 0} · ${document.body.dataset.title}`;
    $("#icon").href = $("#icon").href.replace(/icon-[a-z]+/, `icon-${(worst || "empty").toLowerCase()}`);
    if (say && Date.now() - spoken > 10000 && say.textContent !== text) { say.textContent = text; spoken = Date.now(); }
  }

  function rows(now) {                                           // words change in place; order only when asked for
    for (const row of now.rows) {
      for (const line of all("[data-host]")) {
        if (line.dataset.host !== row.host) continue;
        stale.add(row.host);
        line.classList.add("changed");
        const verdict = $(".v", line);
        if (verdict && row.verdict) {
          verdict.className = `v ${row.verdict}`;
          verdict.replaceChildren(Object.assign(document.createElement("i"), { textContent: sign[row.verdict] }), ` ${row.verdict}`);
        }
        for (const why of line.querySelectorAll(".why")) why.textContent = row.why || "";
      }
    }
    if (!news) return;
    const n = stale.size + (now.more && news.dataset.all ? now.more : 0);
    if (n || now.missed) {
      $("span", news).textContent = now.missed ? "rows may have changed" : n === 1 ? "1 row changed" : `${n} rows changed`;
      news.hidden = false;
    }
  }

  // A browser has six connections to a host, and a stream holds one: with four at most, every tab goes on answering.
  async function place() {
    if (!navigator.locks) return () => {};
    for (const n of [1, 2, 3, 4]) {
      const free = await new Promise((got) => navigator.locks.request(`live-${n}`, { ifAvailable: true },
        (lock) => (lock ? new Promise((release) => got(release)) : got(null))));
      if (free) return free;
    }
    return null;
  }

  const wanted = () => line && !stream && !paused && !document.hidden;
  async function open() {
    if (!wanted() || opening) return;
    opening = true;
    const free = await place();
    opening = false;
    if (!free) {
      tell("full", `not live, this is as of ${clock()}: four other tabs are`);
      setTimeout(open, 10000);
      return;
    }
    if (!wanted()) return free();
    leave = free;
    const hosts = all("[data-host]").map((row) => row.dataset.host).slice(0, 60);
    const ask = new URLSearchParams([...hosts.map((host) => ["host", host]), ...(last ? [["since", last]] : [])]);
    stream = new EventSource(`/events?${ask}`);
    stream.onopen = () => tell("live", `live since ${clock()}`);
    stream.addEventListener("fleet", (event) => {
      last = event.lastEventId;
      retry = 0;
      const now = JSON.parse(event.data);
      if (now.trouble) tell("lost", `Not live since ${clock()}: ${now.trouble}. Trying again.`);
      else tell("live", `live since ${clock()}`);
      counts(now);
      rows(now);
    });
    stream.onerror = () => {
      tell("lost", `Not live since ${clock()}, this is how it was then. Trying again.`);
      close();
      setTimeout(open, Math.min(30000, 1000 * 2 ** retry++));
    };
  }

  function close() {
    if (stream) stream.close();
    if (leave) leave();
    stream = leave = null;
  }

  if (line) {
    $("#reload").hidden = true;
    pause.hidden = false;
    pause.addEventListener("click", () => {
      paused = !paused;
      pause.textContent = paused ? "resume" : "pause";
      close();
      if (paused) tell("paused", `paused at ${clock()}, this is how it was then`);
      open();
    });
    document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
    addEventListener("pagehide", close);
    addEventListener("pageshow", open);
    open();
  }

  document.addEventListener("keydown", (event) => {              // "/" goes to the search, where nothing is typed yet
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, textarea, select")) return;
    event.preventDefault();
    $("#find").focus();
  });

  for (const button of all("[data-copy]")) {                     // needs a secure context; loopback is one
    if (!navigator.clipboard) continue;
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.textContent = "copied";
      setTimeout(() => (button.textContent = "copy"), 2000);
    });
  }
})();
