"""``flux.kvs`` answers programs as flux-core 0.88's bindings do: transactions that are passed on,
changes that get their namespace by the commit. What is expected here was seen there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import flux
from flux import kvs
from flux.testing.instance import running_instance

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flux.core.handle import Flux


@pytest.fixture(scope="module")
def h() -> Iterator[Flux]:
    with running_instance(1) as instance, flux.Flux(instance.uri) as opened:
        yield opened


def test_a_transaction_may_be_passed_on(h: Flux) -> None:
    txn = kvs.KVSTxn(h)
    kvs.put(h, "passed.a", 1, _kvstxn=txn)
    kvs.put(h, "passed.b", 2, txn)
    kvs.put_mkdir(h, "passed.dir", txn)
    kvs.put_symlink(h, "passed.link", "passed.a", txn)
    kvs.put(h, "passed.raw", "x", txn, raw=True)
    kvs.commit(h)
    assert not kvs.exists(h, "passed")
    kvs.commit(h, _kvstxn=txn)
    found = kvs.get(h, "passed", _kvstxn=txn)
    assert (found.files(), found.directories()) == (["a", "b", "link", "raw"], ["dir"])
    kvs.put_unlink(h, "passed.a", txn)
    kvs.commit_async(h, 0, None, txn).get()
    assert not kvs.exists(h, "passed.a")
    found["more"] = 5
    kvs.commit(h)
    assert not kvs.exists(h, "passed.more")
    txn.commit()
    assert kvs.get(h, "passed.more") == 5
    nothing: Any = "x"
    with pytest.raises(TypeError, match="must be a transaction, a KVSTxn or Txn, not str"):
        kvs.put(h, "a", 1, _kvstxn=nothing)


def test_a_directory_may_have_a_transaction_of_its_own(h: Flux) -> None:
    txn = kvs.KVSTxn(h)
    with kvs.KVSDir(h, ".", None, None, txn) as directory:
        directory["own"] = 1
        kvs.put(h, "others", 1)
    assert (kvs.exists(h, "own"), kvs.exists(h, "others")) == (True, False)
    directory = kvs.get_dir(h, _kvstxn=txn)
    directory["dropped"] = 1
    txn.clear()
    directory.commit()
    assert not kvs.exists(h, "dropped")
    directory.mkdir("filled", {"a.b": 1})
    assert kvs.get(h, "filled.a.b") == 1
    kvs.commit(h)
    assert kvs.exists(h, "others")


def test_the_commit_says_in_which_namespace(h: Flux) -> None:
    kvs.namespace_create(h, "said")
    assert {"primary", "said"} <= set(kvs.namespace_list(h))
    kvs.put(h, "key", 1)
    kvs.commit(h, namespace="said")
    assert (kvs.exists(h, "key"), kvs.get(h, "key", "said")) == (False, 1)
    kvs.put(h, "key", 2)
    with kvs.KVSDir(h, namespace="said") as directory:
        directory["other"] = 1
    assert not kvs.exists(h, "key", "said") or kvs.get(h, "key", "said") == 1
    kvs.commit(h)
    assert kvs.get(h, "key") == 2


def test_a_transaction_without_an_exception_is_sent(h: Flux) -> None:
    txn = kvs.KVSTxn(h, "below")
    txn.put("a", 1)
    with txn:
        pass
    assert (txn.path, kvs.get(h, "below.a")) == ("below", 1)
