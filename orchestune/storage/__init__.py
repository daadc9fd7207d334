"""Where the files of a run lie: a folder, a bucket, or the disk of a cluster's head."""
