"""This package writes, locks, reads, resumes and follows run folders."""
