"""What is computed from predictions; nothing here fits."""
