"""What the API says about exports and statistics."""

from typing import Any

from rest_framework import serializers


class ExportFileSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    media_type = serializers.CharField()
    url = serializers.URLField()


class ExportFormatSerializer(serializers.Serializer[Any]):
    format = serializers.CharField()
    title = serializers.CharField()
    files = ExportFileSerializer(many=True)


class FixCostSerializer(serializers.Serializer[Any]):
    """Steps per draft; the numbers after `total` are null without drafts."""

    drafts = serializers.IntegerField()
    total = serializers.IntegerField()
    mean = serializers.FloatField(allow_null=True)
    median = serializers.FloatField(allow_null=True)
    min = serializers.IntegerField(allow_null=True)
    max = serializers.IntegerField(allow_null=True)


class FixCostsSerializer(serializers.Serializer[Any]):
    all = FixCostSerializer()
    behaviour = FixCostSerializer()
    untouched = serializers.IntegerField()


class SubcategoryRowSerializer(serializers.Serializer[Any]):
    slug = serializers.CharField()
    name = serializers.CharField()
    count = serializers.IntegerField()
    share = serializers.FloatField(help_text="Of the category's steps, 0 to 1")


class CategoryRowSerializer(serializers.Serializer[Any]):
    slug = serializers.CharField()
    name = serializers.CharField()
    description = serializers.CharField()
    count = serializers.IntegerField()
    share = serializers.FloatField(help_text="Of all steps, 0 to 1")
    subcategories = SubcategoryRowSerializer(many=True)


class CategoryTableSerializer(serializers.Serializer[Any]):
    total = serializers.IntegerField()
    rows = CategoryRowSerializer(many=True)


class StatisticsSerializer(serializers.Serializer[Any]):
    dataset = serializers.CharField()
    fixcost = FixCostsSerializer()
    categories = CategoryTableSerializer()
