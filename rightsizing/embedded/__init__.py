"""What makes the toolkit run with no AWS account and no Pulumi CLI; never used for real AWS."""
