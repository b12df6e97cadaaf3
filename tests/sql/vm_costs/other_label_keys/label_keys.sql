SELECT ',squad,team,' AS team, ',app,' AS project_label, ',run,' AS experiment, ',cost-center,' AS cost_center
