-- what does not add up in the accounting (empty when all is well)
SELECT process, kind, text FROM accounting_error;
