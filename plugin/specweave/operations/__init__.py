"""Operations: what the commands do."""
