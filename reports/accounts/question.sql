WITH account AS (
    SELECT
        host, name, verdict, path, line,
        CASE
            WHEN (state ->> '$.locked') = 'true' THEN 'locked'
            WHEN json_array_length(state -> '$.sshKeys') > 0 THEN 'key'
            WHEN (state -> '$.sshKeys') IS NULL THEN '?'
            ELSE 'no key'
        END AS login,
        coalesce(json_array_length(state -> '$.sshKeys'), 0) AS keys,
        CASE
            WHEN (state -> '$.sudo') IS NULL THEN '?'
            WHEN json_type(state -> '$.sudo') = 'VARCHAR' THEN (state ->> '$.sudo')
            ELSE array_to_string(from_json(state -> '$.sudo.commands', '["VARCHAR"]'), ', ')
        END AS sudo,
        coalesce(state ->> '$.shell', '?') AS shell
    FROM now
    WHERE kind = 'User' AND seen = 'present'
)
SELECT
    name AS "Account",
    login AS "Login",
    sudo AS "Sudo",
    shell AS "Shell",
    keys AS "Keys",
    count(*) AS "Hosts",
    list(host ORDER BY host)[:5] AS "Some of them",
    any_value(CASE WHEN path IS NULL THEN 'no longer in Git' ELSE path || ':' || line END) AS "Declared"
FROM account
GROUP BY name, login, sudo, shell, keys
ORDER BY name, count(*) DESC, login, sudo
