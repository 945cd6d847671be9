from tests.execution.conftest import *
from codeocean_cmdgen.simulator import example_world
def test_sc(run, simulator):
    example_world(simulator, objects_per_bucket=3)
    o = run(script("snapshot-copy"), "222222222222"); print(o.code); print(o.output); print(o.errors)
    for r in simulator.requests: print(r.account, r.service, r.operation, r.status, r.error)
    o = run(script("snapshot-copy"), "222222222222"); print(o.code); print(o.output); print(o.errors)
    simulator.clear_requests()
    t=time.time()
    o = run(script("s3-batch-replication"), "111111111111"); print(o.code); print(o.output); print(o.errors); print(time.time()-t)
    for r in simulator.requests: print(r.account, r.service, r.operation, r.status, r.error)
    o = run(script("s3-batch-replication"), "111111111111"); print(o.code); print(o.output); print(o.errors)
    o = run(script("s3-batch-replication", table="backup"), "222222222222"); print(o.code); print(o.output); print(o.errors)
    assert 0
