"""The key-value store: a hash tree of RFC 11 objects in the content store, one root per
namespace.
"""
