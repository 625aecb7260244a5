WITH said AS (
    SELECT host, name, seen_at, unnest(json_extract(state, '$.certificates[*]')) AS one
    FROM now
    WHERE kind = 'Site' AND seen = 'present'
), told AS (
    SELECT host, name, seen_at, one ->> 'path' AS file, one ->> 'issuer' AS issuer, one ->> 'trouble' AS why,
        TRY_CAST(one ->> 'notAfter' AS TIMESTAMP) AS ends, json_extract_string(one, '$.names[*]') AS names
    FROM said
    WHERE json_type(one) = 'OBJECT'
)
SELECT
    name AS "Site",
    host AS "Host",
    ends AS "Ends",
    CAST(floor((epoch(ends) - epoch(clock.utc)) / 86400) AS BIGINT) AS "Days left",
    names AS "For",
    issuer AS "Issuer",
    file AS "File",
    why AS "Trouble",
    seen_at AS "Seen"
FROM told, clock
ORDER BY ends NULLS FIRST, name, host, file
