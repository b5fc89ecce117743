"""The whole system on one machine with nothing but Python: private engines, set-up, and every process under one supervisor."""
