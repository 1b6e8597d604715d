"""Pictures: handwritten digits, CIFAR-10 and augmentation."""

__all__ = ["augmentation", "cifar", "digits"]
