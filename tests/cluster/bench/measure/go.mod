module gonogo.test/cluster/measure

go 1.26.0
