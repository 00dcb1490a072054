"""Commands that break promises, which a campaign has to find."""
