SELECT
    name AS "Job",
    coalesce(state ->> '$.schedule', '?') AS "Schedule",
    coalesce(state ->> '$.user', 'root') AS "User",
    coalesce(state ->> '$.command', '?') AS "Command",
    CASE WHEN (state ->> '$.suspend') = 'true' THEN 'suspended' ELSE 'runs' END AS "Runs",
    count(*) AS "Hosts",
    list(host ORDER BY host)[:5] AS "Some of them",
    count(*) FILTER (verdict <> 'Converged') AS "Differ",
    any_value(CASE WHEN path IS NULL THEN 'no longer in Git' ELSE path || ':' || line END) AS "Declared"
FROM now
WHERE kind = 'CronJob' AND seen = 'present'
GROUP BY 1, 2, 3, 4, 5
ORDER BY 1, count(*) DESC, 2, 3, 4
