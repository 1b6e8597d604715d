"""Pictures: handwritten digits, CIFAR-10, augmentation."""
