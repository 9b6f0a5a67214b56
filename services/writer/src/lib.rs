//! Writes vectors to the index, decides which upload is current, and publishes receipts.
