"""Long work that can be watched, stopped and continued."""
