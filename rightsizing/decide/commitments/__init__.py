"""Reserved instances and savings plans: what they cover, how much to buy, and when."""
