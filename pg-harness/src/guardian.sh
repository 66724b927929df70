# The parent of one test server. Run as: sh -c <this> sh SERVER_DIR DIR, as the user the server runs as.
#
# It obeys the lines on its standard input and answers each with an exit code. Its input ends when the test process
# ends, be it by SIGKILL; then the server stops at once and DIR disappears. Only that ends it, so signals are ignored,
# SIGPIPE among them: nobody may be left to read an answer.
trap '' HUP INT PIPE TERM

server_dir=$1
dir=$2
cd "$dir" || exit

run() { "$@" </dev/null >>"$dir/log" 2>&1; }
pg_ctl() { run "$server_dir/pg_ctl" --pgdata="$dir/data" --wait --timeout=60 --silent "$@"; }

while read -r command arguments; do
    case $command in
        init) run "$server_dir/initdb" --pgdata="$dir/data" --username=postgres --auth=trust \
            --encoding=UTF8 --locale=C --no-sync ;;
        clone) run "$server_dir/pg_basebackup" --host="${arguments% *}" --port="${arguments##* }" --username=postgres \
            --pgdata="$dir/data" --write-recovery-conf --checkpoint=fast --no-sync ;;
        promote) pg_ctl promote ;;
        start) pg_ctl start --log="$dir/log" --options="$arguments" ;;
        stop) pg_ctl stop --mode=fast ;;
    esac
    echo $?
done

pg_ctl stop --mode=immediate
cd / && rm -rf "$dir"
