"""All SQL: tables, rows, transactions, one repository for each noun."""
