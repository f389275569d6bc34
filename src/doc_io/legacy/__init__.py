"""What was there before doc_io: versioned text files, and the way from them into a store."""
