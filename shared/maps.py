"""Maps of the contract. The one kind it uses is `map<string, string>`: both doors carry it, and the rules of a field know it."""

from google.protobuf.descriptor import FieldDescriptor


def is_map(field: FieldDescriptor) -> bool:
    """Tell whether the field is a map, which descriptors show as a repeated message."""
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def is_text_map(field: FieldDescriptor) -> bool:
    """Tell whether the field is a `map<string, string>`."""
    entry = field.message_type
    return entry is not None and is_map(field) and all(each.type == FieldDescriptor.TYPE_STRING for each in entry.fields)
