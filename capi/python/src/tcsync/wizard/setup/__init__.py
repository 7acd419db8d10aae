"""The setup: a conversation (ask, questions, texts) about effects (computer, server, changes), joined in flow."""
