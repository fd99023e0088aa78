//! Workers that count: how many requests each has, and how many it ever had at once.
