"""Small classifiers by their published architectures; trained weights cannot be had."""

from __future__ import annotations

from typing import Any

from t2j_standin import DataNotAttached, limit

from ._arrays import torch

if torch is not None:
    from torch import nn

    class AlexNet(nn.Module):  # type: ignore[misc]
        """Krizhevsky's "one weird trick" variant (arXiv 1404.5997)."""

        def __init__(self, num_classes: int = 1000, dropout: float = 0.5) -> None:
            super().__init__()
            self.features = nn.Sequential(
                nn.Conv2d(3, 64, 11, stride=4, padding=2),
                nn.ReLU(inplace=True),
                nn.MaxPool2d(3, 2),
                nn.Conv2d(64, 192, 5, padding=2),
                nn.ReLU(inplace=True),
                nn.MaxPool2d(3, 2),
                nn.Conv2d(192, 384, 3, padding=1),
                nn.ReLU(inplace=True),
                nn.Conv2d(384, 256, 3, padding=1),
                nn.ReLU(inplace=True),
                nn.Conv2d(256, 256, 3, padding=1),
                nn.ReLU(inplace=True),
                nn.MaxPool2d(3, 2),
            )
            self.avgpool = nn.AdaptiveAvgPool2d((6, 6))
            self.classifier = nn.Sequential(
                nn.Dropout(dropout),
                nn.Linear(256 * 6 * 6, 4096),
                nn.ReLU(inplace=True),
                nn.Dropout(dropout),
                nn.Linear(4096, 4096),
                nn.ReLU(inplace=True),
                nn.Linear(4096, num_classes),
            )

        def forward(self, x: Any) -> Any:
            x = self.avgpool(self.features(x))
            return self.classifier(torch.flatten(x, 1))

    class BasicBlock(nn.Module):  # type: ignore[misc]
        """Two 3 x 3 convolutions and a shortcut (arXiv 1512.03385)."""

        def __init__(self, inputs: int, outputs: int, stride: int) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(outputs)
            self.relu = nn.ReLU(inplace=True)
            self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(outputs)
            self.downsample = None
            if stride != 1 or inputs != outputs:
                self.downsample = nn.Sequential(
                    nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
                )

        def forward(self, x: Any) -> Any:
            kept = x if self.downsample is None else self.downsample(x)
            x = self.relu(self.bn1(self.conv1(x)))
            return self.relu(self.bn2(self.conv2(x)) + kept)

    class ResNet(nn.Module):  # type: ignore[misc]
        """Residual network of basic blocks."""

        def __init__(self, layers: tuple[int, ...], num_classes: int = 1000) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
            self.bn1 = nn.BatchNorm2d(64)
            self.relu = nn.ReLU(inplace=True)
            self.maxpool = nn.MaxPool2d(3, 2, 1)
            self.layer1 = stage(64, 64, layers[0], 1)
            self.layer2 = stage(64, 128, layers[1], 2)
            self.layer3 = stage(128, 256, layers[2], 2)
            self.layer4 = stage(256, 512, layers[3], 2)
            self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
            self.fc = nn.Linear(512, num_classes)
            for module in self.modules():
                if isinstance(module, nn.Conv2d):
                    nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

        def forward(self, x: Any) -> Any:
            x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
            x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
            return self.fc(torch.flatten(self.avgpool(x), 1))

    def stage(inputs: int, outputs: int, blocks: int, stride: int) -> Any:
        first = [BasicBlock(inputs, outputs, stride)]
        return nn.Sequential(*first, *(BasicBlock(outputs, outputs, 1) for _ in range(blocks - 1)))


def without_weights(weights: Any, pretrained: bool) -> None:
    """Raises DataNotAttached where trained weights are asked for."""
    if weights is not None or pretrained:
        raise DataNotAttached(
            "Trained weights of torchvision's models cannot be had and have no stand-in; build "
            "the model without weights."
        )


def alexnet(*, weights: Any = None, pretrained: bool = False, **options: Any) -> Any:
    without_weights(weights, pretrained)
    return AlexNet(**options)


def resnet18(*, weights: Any = None, pretrained: bool = False, **options: Any) -> Any:
    without_weights(weights, pretrained)
    return ResNet((2, 2, 2, 2), **options)


def resnet34(*, weights: Any = None, pretrained: bool = False, **options: Any) -> Any:
    without_weights(weights, pretrained)
    return ResNet((3, 4, 6, 3), **options)


def __getattr__(name: str) -> Any:
    limit("torchvision.models", name)
