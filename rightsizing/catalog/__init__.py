"""Instance shapes and list prices: data with source and date, and look-ups over it. Pure."""
