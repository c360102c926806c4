"""InstaShop: a streaming shop platform whose books balance."""
