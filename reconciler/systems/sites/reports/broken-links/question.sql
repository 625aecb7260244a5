SELECT
    CASE WHEN line > 0 THEN path || ':' || line ELSE path END AS "Place",
    code AS "Finding",
    message AS "What is wrong",
    hint AS "Next"
FROM problem
WHERE code IN ('dead-link', 'rule-leads-nowhere')
ORDER BY path, line, message
