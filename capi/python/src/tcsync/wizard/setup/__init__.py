"""The setup: a conversation (ask, questions, texts) about effects (computer, server, exchange), joined in flow."""
