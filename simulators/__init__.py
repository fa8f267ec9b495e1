"""Every device, a hall full of people and the back offices, simulated from the documents."""
