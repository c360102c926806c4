"""`instashop bench`: what the platform does, costs and takes here, measured on stacks of its own."""
