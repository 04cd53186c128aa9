#pragma once

// Each sub-command is a program of its own: argv[0] is its name, the result the exit code (0 done, 1 it found
// or met something wrong, 2 the command line cannot be understood).

int serve_main(int argc, char** argv);
int call_main(int argc, char** argv);
int agent_main(int argc, char** argv);
int check_main(int argc, char** argv);
int graph_main(int argc, char** argv);
int replay_main(int argc, char** argv);
int publish_main(int argc, char** argv);
int versions_main(int argc, char** argv);
int rollout_main(int argc, char** argv);
int rollback_main(int argc, char** argv);
int simulate_main(int argc, char** argv);
int test_main(int argc, char** argv);
int diff_main(int argc, char** argv);
int fmt_main(int argc, char** argv);
int dtmf_main(int argc, char** argv);
int log_main(int argc, char** argv);
int load_main(int argc, char** argv);
int report_main(int argc, char** argv);
int why_main(int argc, char** argv);
int doctor_main(int argc, char** argv);
