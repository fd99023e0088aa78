# Readline ends words at `:`, and names of workers have some: what it has split is put together, and what it has already is
# taken off what is offered.
_slotway_words() {
    local line=$COMP_LINE words=() cur=$2 i word
    for ((i = 0; i <= COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if ((i == 0)) || [[ $line == [[:space:]]* ]]; then
            words+=("$word")
        else
            words[${#words[@]}-1]+=$word
        fi
        line=${line#"${line%%[![:space:]]*}"}
        line=${line#"$word"}
    done
    cur=${words[${#words[@]}-1]}
    local COMP_WORDS=("${words[@]}") COMP_CWORD=$((${#words[@]} - 1))
    _clap_complete_slotway "$1" "$cur"
    if [[ $COMP_WORDBREAKS == *:* && $cur == *:* ]]; then
        COMPREPLY=("${COMPREPLY[@]#"${cur%"${cur##*:}"}"}")
    fi
}
# `nosort` is of bash 4.4.
complete -o nospace -o bashdefault -o nosort -F _slotway_words slotway 2>/dev/null ||
    complete -o nospace -o bashdefault -F _slotway_words slotway
