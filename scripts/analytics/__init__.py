"""The templates of the analytics: Glue tables and questions for Athena, data sets and a dashboard for QuickSight."""
