"""Real servers on 127.0.0.1 for the tests and the examples: started when first asked for, ended with the process."""
