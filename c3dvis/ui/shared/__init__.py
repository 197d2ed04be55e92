"""What the pages share: navigation, services, controls, measures, downloads."""
