"""What `./t2j` does: install, start services, supervise. The first part needs only Python."""
