"""From measurements (an Ibis table) to profiles. Pure."""
