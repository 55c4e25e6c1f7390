module github.com/berth-dev/berth/hack/cluster/build/node

go 1.26.0
