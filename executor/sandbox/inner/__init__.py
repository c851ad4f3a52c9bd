"""The box itself: runs in a runtime's interpreter, knows only the standard library.

`room` builds a root of read-only system files around a zygote; `zygote` imports the runtime's
packages and forks; `box` closes a fresh set of namespaces around each fork and watches it.
"""
