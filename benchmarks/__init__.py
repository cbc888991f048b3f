"""Speed, memory and start-up, each as a ratio to something else measured in the same run."""
