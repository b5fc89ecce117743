"""The sandbox of the development profile: customers whose charges end as scripted, so that partners can test their retry code."""
