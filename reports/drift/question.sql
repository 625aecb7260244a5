SELECT
    verdict AS "Verdict",
    kind AS "Kind",
    name AS "Name",
    count(*) AS "Hosts",
    list(host ORDER BY host)[:5] AS "Some of them",
    min(since) AS "Since",
    any_value(why) AS "Why",
    CASE WHEN path IS NULL THEN 'no longer in Git' ELSE path || ':' || line END AS "Declared"
FROM now
WHERE verdict <> 'Converged'
GROUP BY verdict, kind, name, path, line
ORDER BY list_position(['Failed', 'Unknown', 'Drifted', 'Progressing'], verdict), count(*) DESC, kind, name
