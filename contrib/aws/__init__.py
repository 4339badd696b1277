"""The stack on AWS: CloudFormation, and the files that its tasks begin with."""
