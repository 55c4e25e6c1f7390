# Read by interactive shells. It is yours: a workspace copies it once, and never again.

case $- in
*i*) ;;
*) return ;;
esac

HISTCONTROL=ignoreboth
HISTSIZE=10000
HISTFILESIZE=20000
shopt -s histappend checkwinsize

export EDITOR="${EDITOR:-vi}" PAGER="${PAGER:-less}" LESS="${LESS:--R}"

if [ -r /usr/lib/git-core/git-sh-prompt ]; then
	. /usr/lib/git-core/git-sh-prompt
	GIT_PS1_SHOWDIRTYSTATE=1
	PS1='\[\e[36m\]\u@\h\[\e[0m\]:\[\e[34m\]\w\[\e[0m\]$(__git_ps1 " (%s)")\$ '
else
	PS1='\u@\h:\w\$ '
fi

alias ls='ls --color=auto' ll='ls -l' la='ls -lA' grep='grep --color=auto'

if [ -r /usr/share/bash-completion/bash_completion ]; then
	. /usr/share/bash-completion/bash_completion
fi
if [ -r ~/.bash_aliases ]; then
	. ~/.bash_aliases
fi
