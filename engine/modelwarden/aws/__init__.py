"""Lambda functions: each a shell around what the commands use, too. Powertools is imported here and nowhere else."""
