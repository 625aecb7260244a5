WITH told AS (
    SELECT name, host, moment_at, json_type(moment, '$.traffic') = 'OBJECT' AS counted,
        (moment ->> '$.traffic.whole') IS DISTINCT FROM 'true' AS cut,
        list_transform(
            json_extract_string(moment, ['$.traffic.requests', '$.traffic.bytes', '$.traffic.status.2xx',
                '$.traffic.status.3xx', '$.traffic.status.4xx', '$.traffic.status.5xx']),
            lambda text: CASE WHEN TRY_CAST(text AS BIGINT) BETWEEN 0 AND 9007199254740992 THEN TRY_CAST(text AS BIGINT) ELSE 0 END
        ) AS n
    FROM now
    WHERE kind = 'Site' AND seen = 'present'
)
SELECT
    name AS "Site",
    count(*) FILTER (counted) AS "Hosts",
    coalesce(sum(n[1]), 0) AS "Requests",
    coalesce(sum(n[2]), 0) AS "Bytes",
    coalesce(sum(n[3]), 0) AS "2xx",
    coalesce(sum(n[4]), 0) AS "3xx",
    coalesce(sum(n[5]), 0) AS "4xx",
    coalesce(sum(n[6]), 0) AS "5xx",
    count(*) FILTER (counted AND cut) AS "Cut",
    min(moment_at) AS "Oldest look"
FROM told
GROUP BY name
ORDER BY "Requests" DESC, name
