"""What is measured, one subject a module; each module's ``contests(setting)`` builds its ground and yields its contests."""
