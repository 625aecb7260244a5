"""Commands that cron runs, one file a job."""
