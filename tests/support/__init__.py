"""What tests share: one module for each thing outside Python that they use."""
